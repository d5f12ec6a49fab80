"""Data this package ships."""
