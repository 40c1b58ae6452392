"""The watched folder: files arrive, wait for their siblings, and become intents."""
