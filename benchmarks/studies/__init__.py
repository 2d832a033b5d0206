"""Studies besides the main job, each with one record and its tables; a study runs only if it is named."""
