"""What people look at: pictures, reports and sheets of a frame of jobs."""
