"""Scripted people before a web page: they read its objects, and move a mouse and type as people do."""
