"""Rules to findings: what a policy says about a candidate, and what would have to give."""
