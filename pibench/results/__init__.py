"""From records to what people read: tables, figures, the report, and a verdict on each claim."""
