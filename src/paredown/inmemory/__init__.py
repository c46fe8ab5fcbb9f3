"""What lives in a program, as a job."""
