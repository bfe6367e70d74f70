"""The tool that replaces the state of a Function or Connector SDK connector."""
