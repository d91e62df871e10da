"""Screens: the pointer in a picture, events in actions, and how well dreams and inferred actions keep to both."""
