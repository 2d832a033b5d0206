"""From records to what people read: tables, figures, the page, and the claims that they bear out or not."""
