"""Networks and processes: link profiles, emulated links, party processes, TLS."""
