"""What the pages of custom mappings are made of, apart from the pages: pure, but for asking the API."""
