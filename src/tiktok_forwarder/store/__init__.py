"""The queue and the documents: the interfaces of a store, the rules that every store follows, and the stores."""
