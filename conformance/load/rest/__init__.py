"""Loads on the FHIR API of any server: `crud`, `read`, `import` and `search`."""
