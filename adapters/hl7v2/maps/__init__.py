"""The shipped mappings, tables and datatypes, as YAML."""
