"""The Qt event loop's side: watcher, child processes, scheduler, publishing, retention."""
