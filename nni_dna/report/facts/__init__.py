"""What a report shows, read from a work folder; drawn nowhere here. Modules are imported one by one."""
