"""Studies: many encoders made and scored in one job each, for the papers' tables and figures beyond the main one."""
