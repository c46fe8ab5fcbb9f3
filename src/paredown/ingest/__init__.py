"""What the readers of data share: lines, folders, tables, series, and how they become rows."""
