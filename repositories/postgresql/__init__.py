"""A database backend: PostgreSQL as Django has it, whose connections pass from thread to thread."""
