"""The page: one HTML file of tables, trends and images."""
