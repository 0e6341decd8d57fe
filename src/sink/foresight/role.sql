SELECT current_setting('is_superuser') = 'on', rolcreaterole FROM pg_roles WHERE rolname = current_user
