"""The campaign: phases, tasks, journal, work folder. Its modules are imported one by one: most need no torch."""
