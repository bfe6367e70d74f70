"""The tool that drops blocked columns from the destination."""
