"""Login through an OpenID Connect provider: requests to it, ID tokens, and the roles that they give."""
