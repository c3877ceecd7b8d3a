"""Data directories as released versions left them, which every later version must open."""
