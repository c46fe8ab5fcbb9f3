"""Contract suites per kind of unit, and tiny models to run them on; for paredown's own tests and for those of other packages."""
