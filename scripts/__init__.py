"""Tools of development; none is part of the product."""
