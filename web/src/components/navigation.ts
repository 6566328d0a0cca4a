/** The navigation, in the order of daily use; an entry shows only to those who hold its verb. */
import { Document, FolderOpened, Mic, Monitor, Phone, Upload, User, VideoCamera, VideoPlay } from '@element-plus/icons-vue'
import type { Component } from 'vue'

export interface NavItem {
  name: string
  key: string
  verb: string
  icon: Component
}

export const NAVIGATION: readonly NavItem[] = [
  { name: 'live', key: 'nav.live', verb: 'live.view', icon: Monitor },
  { name: 'rooms', key: 'nav.rooms', verb: 'room.join', icon: Mic },
  { name: 'replay', key: 'nav.replay', verb: 'replay.view', icon: VideoPlay },
  { name: 'endpoints', key: 'nav.endpoints', verb: 'room.join', icon: Phone },
  { name: 'cameras', key: 'nav.cameras', verb: 'camera.manage', icon: VideoCamera },
  { name: 'import', key: 'nav.import', verb: 'camera.manage', icon: Upload },
  { name: 'storage', key: 'nav.storage', verb: 'storage.read', icon: FolderOpened },
  { name: 'people', key: 'nav.people', verb: 'user.read', icon: User },
  { name: 'audit', key: 'nav.audit', verb: 'audit.read', icon: Document },
]
