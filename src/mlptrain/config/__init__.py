"""The typed config: schema, composition, cross-field checks, identity."""
