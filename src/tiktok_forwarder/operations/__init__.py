"""Operations on a running service: dead letters, erasure, key rotation, previews, watches."""
