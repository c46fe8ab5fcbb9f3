"""Before anything is spent: a job file, what a run would do and take, when and where it would cost less."""
