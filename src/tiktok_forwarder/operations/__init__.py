"""What people do with a running service: dead letters, erasure, key rotation, previews, watches."""
