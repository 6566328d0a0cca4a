import { createPinia } from 'pinia'
import { createApp } from 'vue'
import App from './App.vue'
import { registerElements } from './elements'
import { i18n } from './i18n'
import { router } from './router'
import './styles/tokens.css'
import './styles/base.css'
import './styles/element.css'
import './styles/list.css'

const app = createApp(App)
registerElements(app)
app.use(createPinia()).use(i18n).use(router).mount('#app')
