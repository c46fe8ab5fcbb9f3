"""From what was measured to what it means: energy now; tables with source, license and date."""
