"""The colours of figures."""

COLOURS = ("#d1495b", "#33415c", "#4f9d69", "#e09f3e", "#7d5ba6", "#2a9d8f")
ACCENT, INK = COLOURS[:2]
