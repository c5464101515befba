"""The HTTP doors: each file is one blueprint that receives what it needs."""
