package bench

import (
	"net"
	"sync"
)

// connections are the open ones, so that their counts can be had when the server stops.
type connections struct {
	mutex sync.Mutex
	open  map[net.Conn]struct{} // guarded by mutex
	ended sync.WaitGroup
}

func (c *connections) add(one net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.open == nil {
		c.open = make(map[net.Conn]struct{})
	}
	c.open[one] = struct{}{}
	c.ended.Add(1)
}

func (c *connections) remove(one net.Conn) {
	one.Close()
	c.mutex.Lock()
	delete(c.open, one)
	c.mutex.Unlock()
	c.ended.Done()
}

func (c *connections) closeAll() {
	c.mutex.Lock()
	for one := range c.open {
		one.Close()
	}
	c.mutex.Unlock()
	c.ended.Wait()
}
