"""Tools that move a connector to another group."""
