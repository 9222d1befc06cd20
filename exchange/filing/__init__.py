"""Cases to the archives: the encapsulated package (DA/T 48), its offer by expiring address, its download."""
