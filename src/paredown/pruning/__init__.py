"""What of a module can be made smaller, found and proven: channels, widths, and students of half the width."""
