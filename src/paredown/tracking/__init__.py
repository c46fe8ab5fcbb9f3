"""What any block of Python or any command takes: `track()`, its instruments and its words."""
