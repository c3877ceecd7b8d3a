"""The store of many nodes: one PostgreSQL database that every node shares; no node keeps anything of its own."""
