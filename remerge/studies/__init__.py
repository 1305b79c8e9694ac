"""Studies: the papers' tables and figures beyond the main table. One job makes and scores many encoders."""
