"""The tool that makes Connect Cards, pages where a person enters credentials."""
