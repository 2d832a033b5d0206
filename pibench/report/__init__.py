"""From records to tables: join them, refuse what does not belong together, build, render."""
