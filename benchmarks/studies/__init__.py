"""Studies beside the main job, each one record and its tables; a run that names one runs it."""
