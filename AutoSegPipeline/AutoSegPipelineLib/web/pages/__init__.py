"""What people read: templates, error pages, problem details."""
