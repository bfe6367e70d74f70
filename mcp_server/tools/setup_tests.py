"""The tool that runs setup tests, and what failed ones call for."""
