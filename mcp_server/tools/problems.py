"""Tools on what is wrong with a connector: everything known of it, and dismissing warnings."""
