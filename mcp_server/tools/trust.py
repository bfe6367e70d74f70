"""Tools on whom a connector trusts: certificates and SSH fingerprints."""
