"""Accounts: users, sessions, tokens, share links, the audit log. Standard library only.

Also the command line and Slicer ask here whether accounts exist, so nothing of the web's
packages is imported; the password hash comes in inside a function.
"""
