"""Partner systems written from their contracts alone; share no code with the hub."""
